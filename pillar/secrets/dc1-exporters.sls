# With what exporters look into the services on their own servers.
k8s_secrets:
  exporters:
{%- if grains['id'].startswith('dc1-redis-') %}
    redis: {password: {{ salt['sdb.get']('sdb://vault/redis/dc1?exporter_password') | json }}}
{%- else %}
    mysqld: {user: exporter, password: {{ salt['sdb.get']('sdb://vault/mariadb/dc1?exporter_password') | json }}}
{%- endif %}
