# Which server gets which SLS. An example: a site has its own, with these lines in it.
#
# Secrets go by minion id, since everything else is what a minion says of itself:
#   'dc1-cp-*':
#     - site.backup_credentials
# SLS without secrets may go by the grains datacenter, environment, k8s_role and k8s_pool:
#   'G@datacenter:dc1 and G@environment:prod':
#     - match: compound
#     - site.resolver
#
# The cluster, role and pool of a server are in its pillar, which the master gives by minion id.
# A server that claims a role asks to join by itself; its minion id decides whether it may.
#
# What all servers of a datacenter have, in clusters or not, is in their pillar too. To begin with one datacenter or
# environment, have a compound match in its place: 'I@k8s_datacenter:name and G@datacenter:dc1 and G@environment:staging'.
base:
  # Every server notes its last highstate, cluster member or not.
  '*':
    - k8s.highstate
  'k8s_datacenter:*':
    - match: pillar
    - k8s.monitoring
    - k8s.consul
  # Where the datacenter's file has Prometheus servers; they do something only where it says so.
  'k8s_datacenter:spec:monitoring:prometheus:servers:*':
    - match: pillar
    - k8s.prometheus
    - k8s.exporters
    - k8s.metrics_proxy
  'k8s:*':
    - match: pillar
    - k8s.server
    - k8s.join
  'k8s_role:*':
    - match: grain
    - k8s.join
