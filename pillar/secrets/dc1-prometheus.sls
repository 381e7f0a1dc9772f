# What the Prometheus servers of dc1 show themselves with, who may ask them, and what they ask others with.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  prometheus:
    certificate: {{ salt['sdb.get'](own ~ '?certificate') | json }}
    key: {{ salt['sdb.get'](own ~ '?key') | json }}
    users:
      prometheus: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?prometheus_bcrypt') | json }}
      on-call: {{ salt['sdb.get']('sdb://vault/monitoring?on_call_bcrypt') | json }}
    authority: {{ salt['sdb.get']('sdb://vault/monitoring?authority') | json }}
    node_exporter: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?node_exporter_password') | json }}
    password: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?prometheus_password') | json }}
    couchbase: {{ salt['sdb.get']('sdb://vault/couchbase/dc1?prometheus_password') | json }}
    central:
      authority: {{ salt['sdb.get']('sdb://vault/monitoring?authority') | json }}
      password: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?central_password') | json }}
