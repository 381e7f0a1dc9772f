# What the central Prometheus shows itself with, and who may send it figures: each datacenter as a user of its own.
# With the rest it sends its alerts to the Alertmanagers of its datacenter.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  prometheus:
    certificate: {{ salt['sdb.get'](own ~ '?certificate') | json }}
    key: {{ salt['sdb.get'](own ~ '?key') | json }}
    users:
      dc1: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?central_bcrypt') | json }}
      dc2: {{ salt['sdb.get']('sdb://vault/monitoring/dc2?central_bcrypt') | json }}
    authority: {{ salt['sdb.get']('sdb://vault/monitoring?authority') | json }}
    password: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?prometheus_password') | json }}
