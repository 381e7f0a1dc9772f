# Each server's own certificate, and who may ask node_exporter. The master has set the id here, not the minion.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  node_exporter:
    certificate: {{ salt['sdb.get'](own ~ '?certificate') | json }}
    key: {{ salt['sdb.get'](own ~ '?key') | json }}
    users:
      prometheus: {{ salt['sdb.get']('sdb://vault/monitoring/dc1?node_exporter_bcrypt') | json }}
