# What the Prometheus servers of dc1 show themselves with, who may ask them, and what they ask others with.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  prometheus:
    certificate: {{ own }}?certificate
    key: {{ own }}?key
    users:
      prometheus: sdb://vault/monitoring?prometheus_bcrypt
      on-call: sdb://vault/monitoring?on_call_bcrypt
    authority: sdb://vault/monitoring?authority
    password: sdb://vault/monitoring?prometheus_password
    couchbase: sdb://vault/couchbase/dc1?prometheus_password
    central:
      authority: sdb://vault/monitoring?authority
      password: sdb://vault/monitoring/dc1?central_password
