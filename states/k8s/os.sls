# The kernel and swap. Harmless to a running node.
{%- set want = salt['k8s_server.desired'](pillar['k8s']) %}

k8s-kernel:
  k8s_server.kernel:
    - modules: {{ want['kernel']['modules'] | json }}
    - settings: {{ want['kernel']['settings'] | json }}
{%- if not want['swap_allowed'] %}

k8s-swap:
  k8s_server.swap_off
{%- endif %}
