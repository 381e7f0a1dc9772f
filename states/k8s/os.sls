# The kernel, swap and the order of a boot. Harmless to a running node.
{%- set want = salt['k8s_server.desired'](pillar['k8s']) %}

k8s-kernel:
  k8s_server.kernel:
    - modules: {{ want['kernel']['modules'] | json }}
    - settings: {{ want['kernel']['settings'] | json }}
{%- if not want['swap_allowed'] %}

k8s-swap:
  k8s_server.swap_off
{%- endif %}

# Else the kubelet, which its package starts beside containerd, ends at each boot and is started again 10 s later.
k8s-kubelet-after-containerd:
  file.managed:
    - name: /etc/systemd/system/kubelet.service.d/k8s.conf
    - contents: |
        [Unit]
        After=containerd.service
    - makedirs: True
