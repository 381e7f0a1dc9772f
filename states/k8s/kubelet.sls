# What kubeadm changes of the kubelet's configuration for this server's pool, and the kubelet at every boot.
{%- set patches = salt['k8s_server.desired'](pillar['k8s'])['patches'] %}

k8s-patches:
  file.directory:
    - name: /etc/kubernetes/patches
    - clean: True
    - makedirs: True
{%- for name, content in patches | dictsort %}

k8s-patch-{{ name }}:
  file.managed:
    - name: /etc/kubernetes/patches/{{ name }}
    - contents: {{ content | json }}
    - makedirs: True
    - require_in:
      - file: k8s-patches
{%- endfor %}

k8s-kubelet:
  service.enabled:
    - name: kubelet
    - require:
      - pkg: k8s-packages
