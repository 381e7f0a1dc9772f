# The leaf certificates of a control plane: told when they expire soon, renewed in a maintenance window only.
k8s-certificates:
  k8s_pki.leaf_certificates_valid:
    - assignment: {{ pillar['k8s'] | json }}
