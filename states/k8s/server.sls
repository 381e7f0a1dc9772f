# What makes a server ready for its cluster. Highstate and the runner's `prepare` apply the same.
#
# A bare server is converged. On a node (kubeadm has been there, or is at work) only what cannot disturb it is,
# and the rest is reported: versions, kubelet, containerd, manifests and endpoint of a node change through an
# operation of the runner alone, which knows what the cluster can bear.
{%- set k8s = pillar['k8s'] %}
{%- if 'fence' in k8s %}
{%- do salt['k8s_lock.admit'](k8s['fence']) %}
{%- endif %}
{#- The runner alone can tell of an init that nobody has joined, which it makes anew. #}
{%- set bare = k8s.get('anew') or salt['k8s_server.bare']() %}
{%- if 'problems' in k8s %}

k8s-spec:
  test.configurable_test_state:
    - changes: False
    - result: False
    - comment: {{ k8s['problems'] | join('\n') | json }}
{%- else %}

include:
  - k8s.os
  - k8s.repository
{%- if bare %}
  - k8s.runtime
  - k8s.packages
  - k8s.kubelet
{%- if k8s['role'] == 'control-plane' and 'addresses' in k8s %}
  - k8s.endpoint
{%- endif %}
{%- else %}
  - k8s.drift
{%- if k8s['role'] == 'control-plane' %}
  - k8s.certificates
{%- endif %}
{%- endif %}
{%- if k8s['role'] == 'control-plane' %}
  - k8s.python_client
  - k8s.serving_certificates
{%- endif %}
  - k8s.clock
{%- if bare and not salt['k8s_server.desired'](k8s)['endpoint'] %}

# It may have been a control plane, or the spec have had a managed endpoint.
k8s-endpoint-absent:
  k8s_server.endpoint_absent
{%- endif %}
{%- endif %}
