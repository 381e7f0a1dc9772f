# containerd. Its files come before its package, so that it starts with them and is not restarted at once.
{%- set want = salt['k8s_server.desired'](pillar['k8s']) %}

k8s-containerd-config:
  file.managed:
    - name: /etc/containerd/config.toml
    - contents: {{ want['containerd'] | json }}
    - makedirs: True

k8s-containerd-registries:
  file.directory:
    - name: /etc/containerd/certs.d
    - clean: True
    - makedirs: True
{%- for registry, hosts in want['registries'] | dictsort %}

k8s-containerd-registry-{{ registry }}:
  file.managed:
    - name: /etc/containerd/certs.d/{{ registry }}/hosts.toml
    - contents: {{ hosts | json }}
    - makedirs: True
    - require_in:
      - file: k8s-containerd-registries
{%- endfor %}

k8s-crictl:
  file.managed:
    - name: /etc/crictl.yaml
    - contents: |
        runtime-endpoint: unix:///run/containerd/containerd.sock
        image-endpoint: unix:///run/containerd/containerd.sock

k8s-bare-for-containerd:
  k8s_server.bare:
    - anew: {{ pillar['k8s'].get('anew', False) }}
    - require:
      - pkg: k8s-packages

k8s-containerd:
  k8s_server.service:
    - name: containerd
    - files: [/usr/bin/containerd, /etc/containerd/config.toml]
    - require:
      - k8s_server: k8s-bare-for-containerd
      - file: k8s-containerd-config
