# Where apt finds the packages. It installs and upgrades nothing.
{%- set repository = salt['k8s_server.desired'](pillar['k8s'])['repository'] %}
{%- if repository %}

k8s-repository-key:
  file.managed:
    - name: {{ repository['keyring'] }}
    - source: {{ repository['key'] | json }}
    - skip_verify: True
    - use_etag: True
    - makedirs: True

k8s-repository:
  file.managed:
    - name: /etc/apt/sources.list.d/k8s.sources
    - contents: {{ repository['source'] | json }}
{%- endif %}
