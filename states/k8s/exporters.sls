# Exporters beside services outside Kubernetes, where the datacenter's file says so; nothing on other servers.
#
# With what they look into a service stands in a file for root only; systemd gives it to them.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- set problems = salt['k8s_prometheus.exporter_problems'](datacenter) %}
{%- if problems %}

k8s-exporters-pillar:
  test.configurable_test_state:
    - changes: False
    - result: False
    - comment: {{ problems | join('\n') | json }}
{%- else %}
{%- set exporters = salt['k8s_prometheus.exporters'](datacenter) %}
{%- if exporters %}

include:
  - k8s.site_repository
{%- endif %}
{%- for kind, want in exporters.items() %}
{%- set program = 'prometheus-' ~ kind ~ '-exporter' %}

k8s-{{ kind }}-exporter-secrets:
  file.managed:
    - name: {{ want['secrets'] }}
    - source: salt://k8s/files/exporter-{{ kind }}.{{ want['secrets'].rpartition('.')[2] }}.jinja
    - template: jinja
    - context:
        port: {{ want['port'] }}
    - mode: '0600'
    - dir_mode: '0700'
    - makedirs: True
    - show_changes: False

k8s-{{ kind }}-exporter-unit:
  file.managed:
    - name: /etc/systemd/system/{{ program }}.service.d/k8s.conf
    - source: salt://k8s/files/prometheus-program.conf.jinja
    - template: jinja
    - context:
        program: {{ program }}
        options: {{ want['options'] | json }}
        needs: {{ want['secrets'] }}
        secrets_option: {{ want['secrets_option'] }}
    - makedirs: True

k8s-{{ kind }}-exporter-package:
  pkg.installed:
    - name: {{ program }}
    - install_recommends: False
    - require:
      - sls: k8s.site_repository
      - file: k8s-{{ kind }}-exporter-secrets
      - file: k8s-{{ kind }}-exporter-unit

k8s-{{ kind }}-exporter:
  k8s_server.service:
    - name: {{ program }}
    - files:
      - /usr/bin/{{ program }}
      - /etc/systemd/system/{{ program }}.service.d/k8s.conf
      - {{ want['secrets'] }}
    - require:
      - pkg: k8s-{{ kind }}-exporter-package
{%- endfor %}
{%- endif %}
