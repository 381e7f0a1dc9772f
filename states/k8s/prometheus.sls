# Prometheus with its rules and Alertmanager, on the servers that the datacenter's file names; nothing on others.
{%- set datacenter = pillar['k8s_datacenter'] %}
{%- set problems = salt['k8s_prometheus.problems'](datacenter) %}
{%- if problems %}

k8s-prometheus-pillar:
  test.configurable_test_state:
    - changes: False
    - result: False
    - comment: {{ problems | join('\n') | json }}
{%- elif salt['k8s_prometheus.desired'](datacenter) %}
{%- set want = salt['k8s_prometheus.desired'](datacenter) %}
{%- set programs = {'prometheus': (want['options'], want['data'], '/etc/prometheus/k8s/prometheus.yml')} %}
{%- if want['alertmanager'] %}
{%- do programs.update({
    'prometheus-alertmanager':
      (want['alertmanager_options'], want['alertmanager_data'], '/etc/prometheus/k8s/alertmanager.yml'),
}) %}
{%- endif %}
{%- set secrets = {} %}
{%- if want['tls'] %}
{%- do secrets.update({'certificate.pem': 'certificate', 'key.pem': 'key'}) %}
{%- endif %}
{%- if want['asks_with_tls'] %}
{%- do secrets.update({'authority.pem': 'authority'}) %}
{%- endif %}
{%- if want['asks_with_password'] %}
{%- do secrets.update({'password': 'password'}) %}
{%- endif %}
{%- if want['asks_node_exporters'] %}
{%- do secrets.update({'node-exporter-password': 'node_exporter'}) %}
{%- endif %}
{%- if want['asks_couchbase'] %}
{%- do secrets.update({'couchbase-password': 'couchbase'}) %}
{%- endif %}
{%- if want['knows_central'] %}
{%- do secrets.update({'central-authority.pem': 'central:authority', 'central-password': 'central:password'}) %}
{%- endif %}

include:
  - k8s.site_repository
{%- for program, (options, data, needs) in programs.items() %}

# As with node_exporter, the unit comes before the package.
k8s-{{ program }}-unit:
  file.managed:
    - name: /etc/systemd/system/{{ program }}.service.d/k8s.conf
    - source: salt://k8s/files/prometheus-program.conf.jinja
    - template: jinja
    - context:
        program: {{ program }}
        options: {{ options | json }}
        data: {{ data }}
        needs: {{ needs }}
    - makedirs: True

k8s-{{ program }}-package:
  pkg.installed:
    - name: {{ program }}
    - install_recommends: False
    - require:
      - sls: k8s.site_repository
      - file: k8s-{{ program }}-unit
    - require_in:
      - file: k8s-prometheus-directory
{%- endfor %}

k8s-prometheus-directory:
  file.directory:
    - name: /etc/prometheus/k8s
    - group: prometheus
    - mode: '0750'
{%- for file, name in secrets.items() %}

k8s-prometheus-{{ name | replace(':', '-') }}:
  file.managed:
    - name: /etc/prometheus/k8s/{{ file }}
    - contents_pillar: k8s_secrets:prometheus:{{ name }}
    # Of a password, the end of a line would be a part.
    - contents_newline: {{ file.endswith('.pem') }}
    - group: prometheus
    - mode: '0640'
    - show_changes: False
    - require:
      - file: k8s-prometheus-directory
    - require_in:
      - file: k8s-prometheus-configuration
{%- endfor %}
{%- if want['tls'] %}

k8s-prometheus-web:
  file.managed:
    - name: /etc/prometheus/k8s/web.yml
    - source: salt://k8s/files/exporter-web.yml.jinja
    - template: jinja
    - context:
        of: prometheus
        basic_auth: {{ want['basic_auth'] }}
    - group: prometheus
    - mode: '0640'
    - show_changes: False
    - check_cmd: /usr/bin/promtool check web-config
    - tmp_dir: /etc/prometheus/k8s
    - require:
      - file: k8s-prometheus-certificate
      - file: k8s-prometheus-key
    - require_in:
      - file: k8s-prometheus-configuration
{%- endif %}
{%- for name in want['rules'] %}

k8s-prometheus-rules-{{ name }}:
  file.managed:
    - name: /etc/prometheus/k8s/rules/{{ name }}.yml
    - source: salt://k8s/files/prometheus/{{ name }}.yml
    - makedirs: True
    - check_cmd: /usr/bin/promtool check rules
    - require:
      - file: k8s-prometheus-directory
    - require_in:
      - file: k8s-prometheus-configuration
{%- endfor %}
{%- if want['senders'] %}

k8s-prometheus-senders:
  file.managed:
    - name: /etc/prometheus/k8s/rules/senders.yml
    - contents: {{ want['senders'] | json }}
    - makedirs: True
    - check_cmd: /usr/bin/promtool check rules
    - require:
      - file: k8s-prometheus-directory
    - require_in:
      - file: k8s-prometheus-configuration
{%- endif %}
{%- if want['discovery'] %}

# With what it asks the clusters of the datacenter. The group of the directory is that of its files.
k8s-prometheus-clusters:
  file.directory:
    - name: /etc/prometheus/k8s/clusters
    - group: prometheus
    - mode: '2750'
    - require:
      - file: k8s-prometheus-directory

k8s-prometheus-credentials:
  k8s_prometheus.credentials:
    - assignment: {{ datacenter | json }}
    - require:
      - file: k8s-prometheus-clusters
    - require_in:
      - file: k8s-prometheus-configuration

# A cluster may come later, and certificates are renewed. A process of its own, so that it is never older than the
# code on disk.
k8s-prometheus-asks:
  schedule.present:
    - name: k8s_prometheus
    - function: cmd.run
    - job_args:
      - >-
        salt-call --config-dir={{ opts['conf_file'].rpartition('/')[0] }} --out=quiet --log-level=error
        k8s_prometheus.ask
    - seconds: 600
    - splay: 120
    - run_on_start: False
    - return_job: False
    - maxrunning: 1
    - require:
      - k8s_prometheus: k8s-prometheus-credentials

k8s-targets:
  file.managed:
    - name: /usr/local/lib/k8s-targets
    - source: salt://k8s/files/k8s_targets.py

k8s-targets-configuration:
  file.managed:
    - name: /etc/k8s-targets.json
    - contents: {{ want['discovery'] | json }}

k8s-targets-service:
  file.managed:
    - name: /etc/systemd/system/k8s-targets.service
    - source: salt://k8s/files/k8s-targets.service.jinja
    - template: jinja

k8s-targets-schedule:
  file.managed:
    - name: /etc/systemd/system/k8s-targets.timer
    - source: salt://k8s/files/k8s-targets.timer

k8s-targets-timer:
  k8s_server.service:
    - name: k8s-targets.timer
    - files:
      - /etc/systemd/system/k8s-targets.timer
      - /etc/systemd/system/k8s-targets.service
    - require:
      - file: k8s-targets
      - file: k8s-targets-configuration
      - file: k8s-targets-service
      - file: k8s-targets-schedule
{%- endif %}

k8s-prometheus-configuration:
  file.managed:
    - name: /etc/prometheus/k8s/prometheus.yml
    - contents: {{ want['configuration'] | json }}
    - check_cmd: /usr/bin/promtool check config
    - require:
      - file: k8s-prometheus-directory
{%- if want['alertmanager'] %}

k8s-alertmanager-configuration:
  file.managed:
    - name: /etc/prometheus/k8s/alertmanager.yml
    - contents: {{ want['alertmanager'] | json }}
    - check_cmd: /usr/bin/amtool check-config
    - require:
      - file: k8s-prometheus-configuration
    - require_in:
      - k8s_server: k8s-prometheus-alertmanager
{%- endif %}
{%- for program, (options, data, needs) in programs.items() %}

k8s-{{ program }}:
  k8s_server.service:
    - name: {{ program }}
    - files:
      - /usr/bin/{{ program }}
      - /etc/systemd/system/{{ program }}.service.d/k8s.conf
    - require:
      - file: k8s-prometheus-configuration

# What they are told is read anew, without a gap in what is measured.
k8s-{{ program }}-reloaded:
  k8s_server.service:
    - name: {{ program }}
    - files:
      - {{ needs }}
{%- if program == 'prometheus' %}
{%- for name in want['rules'] %}
      - /etc/prometheus/k8s/rules/{{ name }}.yml
{%- endfor %}
      - /etc/prometheus/k8s/rules/senders.yml
{%- endif %}
    - reload: True
    - require:
      - k8s_server: k8s-{{ program }}
{%- endfor %}
{%- endif %}
