# What is measured on every server, in a cluster or not: node_exporter, and metrics of our own beside it.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- set problems = salt['k8s_monitoring.problems'](datacenter) %}

include:
  - k8s.firewall
{%- if problems %}

k8s-monitoring-pillar:
  test.configurable_test_state:
    - changes: False
    - result: False
    - comment: {{ problems | join('\n') | json }}
{%- else %}
{%- set want = salt['k8s_monitoring.desired'](datacenter, pillar.get('k8s')) %}
  - k8s.site_repository

# Its unit comes before its package, so that it starts with it and is not restarted at once.
k8s-node-exporter-unit:
  file.managed:
    - name: /etc/systemd/system/prometheus-node-exporter.service.d/k8s.conf
    - source: salt://k8s/files/node-exporter.conf.jinja
    - template: jinja
    - context:
        options: {{ want['options'] | json }}
    - makedirs: True

k8s-node-exporter-package:
  pkg.installed:
    - name: prometheus-node-exporter
    - install_recommends: False
    - require:
      - sls: k8s.site_repository
      - file: k8s-node-exporter-unit
{%- if want['web_config'] %}

# Both are read anew for each connection. What is secret is taken from the pillar there, not written here: an SLS
# is text that Salt logs.
{%- for name in ('certificate', 'key') %}

k8s-node-exporter-{{ name }}:
  file.managed:
    - name: /etc/prometheus/node-exporter/{{ name }}.pem
    - contents_pillar: k8s_secrets:node_exporter:{{ name }}
    - group: prometheus
    - mode: '0640'
    - makedirs: True
    - show_changes: False
    - require:
      - pkg: k8s-node-exporter-package
    - require_in:
      - k8s_server: k8s-node-exporter
{%- endfor %}

k8s-node-exporter-web:
  file.managed:
    - name: {{ want['web_config'] }}
    - source: salt://k8s/files/exporter-web.yml.jinja
    - template: jinja
    - context:
        of: node_exporter
        basic_auth: {{ want['basic_auth'] }}
    - group: prometheus
    - mode: '0640'
    - makedirs: True
    - show_changes: False
    - require:
      - pkg: k8s-node-exporter-package
    - require_in:
      - k8s_server: k8s-node-exporter
{%- endif %}

k8s-node-exporter:
  k8s_server.service:
    - name: prometheus-node-exporter
    - files:
      - /usr/bin/prometheus-node-exporter
      - /etc/systemd/system/prometheus-node-exporter.service.d/k8s.conf
    - require:
      - pkg: k8s-node-exporter-package

k8s-textfile:
  file.managed:
    - name: /usr/local/lib/k8s-textfile
    - source: salt://k8s/files/k8s_textfile.py

k8s-textfile-config:
  file.managed:
    - name: /etc/k8s-textfile.json
    - contents: {{ want['textfile'] | json }}

k8s-textfile-service:
  file.managed:
    - name: /etc/systemd/system/k8s-textfile.service
    - source: salt://k8s/files/k8s-textfile.service.jinja
    - template: jinja

k8s-textfile-schedule:
  file.managed:
    - name: /etc/systemd/system/k8s-textfile.timer
    - source: salt://k8s/files/k8s-textfile.timer.jinja
    - template: jinja
    - context:
        interval: {{ want['interval'] }}

k8s-textfile-timer:
  k8s_server.service:
    - name: k8s-textfile.timer
    - files:
      - /etc/systemd/system/k8s-textfile.timer
      - /etc/systemd/system/k8s-textfile.service
    - require:
      - pkg: k8s-node-exporter-package
      - file: k8s-textfile
      - file: k8s-textfile-config
      - file: k8s-textfile-service
      - file: k8s-textfile-schedule
{%- endif %}
