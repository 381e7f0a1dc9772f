# The Kubernetes client, for Salt's own Python, by which a control plane server talks to its cluster.
{%- set client = salt['k8s_server.desired'](pillar['k8s'])['python_client'] %}

k8s-python-client:
  k8s_server.python_package:
    - name: kubernetes
    - version: {{ client['version'] }}
    - index: {{ client['index'] | json }}
    - trusted_host: {{ client['trusted_host'] | json }}
