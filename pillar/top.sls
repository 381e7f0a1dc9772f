# What servers get besides their cluster's spec, which the external pillar k8s_clusters gives them.
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
