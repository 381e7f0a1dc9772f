# The packages of a bare server, in one transaction: exact versions, pinned and held.
{%- set want = salt['k8s_server.desired'](pillar['k8s'])['packages'] %}

k8s-package-pins:
  file.managed:
    - name: /etc/apt/preferences.d/k8s
    - contents: {{ want['preferences'] | json }}

k8s-bare-for-packages:
  k8s_server.bare:
    - anew: {{ pillar['k8s'].get('anew', False) }}

k8s-dpkg:
  k8s_server.dpkg_finished:
    - require:
      - k8s_server: k8s-bare-for-packages
      - file: k8s-package-pins

k8s-packages:
  pkg.installed:
    - pkgs:
{%- for name, version in want['pinned'] | dictsort %}
      - {{ name }}: {{ version | json }}
{%- endfor %}
{%- for name in want['helpers'] %}
      - {{ name }}
{%- endfor %}
    - refresh: {{ want['refresh'] }}
    - install_recommends: False
    - update_holds: True
    - require:
      - k8s_server: k8s-dpkg

k8s-packages-held:
  k8s_server.packages_held:
    - held: {{ want['pinned'] | list | json }}
    - require:
      - pkg: k8s-packages
