# The Kubernetes client, for Salt's own Python, by which a control plane server talks to its cluster.
{%- set client = salt['k8s_server.desired'](pillar['k8s'])['python_client'] %}

k8s-python-client:
  pip.installed:
    - name: {{ client['requirement'] }}
{%- if client['index'] %}
    - index_url: {{ client['index'] | json }}
{%- endif %}
{%- if client['trusted_host'] %}
    - trusted_host: {{ client['trusted_host'] }}
{%- endif %}
