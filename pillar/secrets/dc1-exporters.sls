# With what exporters look into the services on their own servers.
k8s_secrets:
  exporters:
{%- if grains['id'].startswith('dc1-redis-') %}
    redis: {password: sdb://vault/redis/dc1?exporter_password}
{%- else %}
    mysqld: {user: exporter, password: sdb://vault/mariadb/dc1?exporter_password}
{%- endif %}
