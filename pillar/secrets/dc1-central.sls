# What the central Prometheus shows itself with, and who may send it figures: each datacenter as a user of its own.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  prometheus:
    certificate: {{ own }}?certificate
    key: {{ own }}?key
    users:
      prometheus: sdb://vault/monitoring?prometheus_bcrypt
      dc1: sdb://vault/monitoring/dc1?central_bcrypt
      dc2: sdb://vault/monitoring/dc2?central_bcrypt
    authority: sdb://vault/monitoring?authority
    password: sdb://vault/monitoring?prometheus_password
