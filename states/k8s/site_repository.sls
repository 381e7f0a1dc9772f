# Where apt finds the packages that all servers of a datacenter have. It installs and upgrades nothing.
#
# A server in a cluster may have the same repository from its cluster's spec: apt wants it named once.
{%- set site = salt['k8s_monitoring.repository'](pillar['k8s_datacenter'], pillar.get('k8s')) %}
{%- if pillar.get('k8s', {}).get('spec') %}

include:
  - k8s.repository
{%- endif %}
{%- if site %}

k8s-site-repository-key:
  file.managed:
    - name: {{ site['keyring'] }}
    - source: {{ site['key'] | json }}
    - skip_verify: True
    - use_etag: True
    - makedirs: True

k8s-site-repository:
  file.managed:
    - name: /etc/apt/sources.list.d/k8s-site.sources
    - contents: {{ site['source'] | json }}
    - require:
      - file: k8s-site-repository-key
{%- else %}

k8s-site-repository:
  test.nop
{%- endif %}
