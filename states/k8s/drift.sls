# Where this node differs from its spec: told, not changed.
k8s-drift:
  k8s_server.drift_reported:
    - assignment: {{ pillar['k8s'] | json }}
