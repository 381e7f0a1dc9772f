# Notes when highstate ran and what came of it: for the inventory and the metrics. It belongs into top.sls, and
# there only: applied by itself it would note a highstate that was none.
k8s-highstate-begun:
  k8s_highstate.begun:
    - order: first

k8s-highstate-ended:
  k8s_highstate.ended:
    - order: last
