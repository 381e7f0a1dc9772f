# What servers get besides the specs of their cluster and datacenter, which the external pillars give them.
base:
  # By grain: what is no secret.
  'datacenter:dc1':
    - match: grain
    - datacenter.dc1
  'datacenter:dc2':
    - match: grain
    - datacenter.dc2
  'environment:prod':
    - match: grain
    - environment.prod
  'environment:staging':
    - match: grain
    - environment.staging

  # By minion id: what only these servers may know.
  'dc1-cp-[123]':
    - secrets.dc1-prod-backup
  'dc1-consul-[123]':
    - secrets.dc1-consul
  'dc2-consul-[123]':
    - secrets.dc2-consul
  'dc1-mon-[12]':
    - secrets.dc1-prometheus
  'dc1-redis-* or dc1-mariadb-1':
    - match: compound
    - secrets.dc1-exporters
  'dc1-central-1':
    - secrets.dc1-central
  'dc1-*':
    - secrets.node-exporter
