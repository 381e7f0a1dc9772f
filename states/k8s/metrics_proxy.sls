# On a control plane: what shows Prometheus the metrics of etcd, controller manager and scheduler, which listen on
# loopback. Prometheus must have a certificate of the cluster; nothing of etcd's leaves the server.
{%- set want = salt['k8s_monitoring.metrics_proxy'](pillar['k8s_datacenter'], pillar.get('k8s')) %}
{%- set unit = '/etc/systemd/system/k8s-metrics-proxy.service' %}
{%- if want %}

include:
  - k8s.site_repository

# Where the endpoint is managed it is there already; else Debian's own unit runs it, and it listens nowhere.
k8s-metrics-proxy-package:
  pkg.installed:
    - name: haproxy
    - install_recommends: False
    - require:
      - sls: k8s.site_repository

k8s-metrics-proxy-certificate:
  k8s_pki.metrics_proxy_certificate

k8s-metrics-proxy-configuration:
  file.managed:
    - name: /etc/k8s-metrics-proxy/haproxy.cfg
    - source: salt://k8s/files/k8s-metrics-proxy.cfg.jinja
    - template: jinja
    - context:
        want: {{ want | json }}
    - makedirs: True

k8s-metrics-proxy-unit:
  file.managed:
    - name: {{ unit }}
    - source: salt://k8s/files/k8s-metrics-proxy.service

k8s-metrics-proxy:
  k8s_server.service:
    - name: k8s-metrics-proxy
    - files:
      - /usr/sbin/haproxy
      - {{ unit }}
      - /etc/k8s-metrics-proxy/haproxy.cfg
      - /etc/k8s-metrics-proxy/proxy.pem
      - /etc/kubernetes/pki/ca.crt
    - require:
      - pkg: k8s-metrics-proxy-package
      - k8s_pki: k8s-metrics-proxy-certificate
      - file: k8s-metrics-proxy-configuration
      - file: k8s-metrics-proxy-unit

k8s-metrics-proxy-listens:
  k8s_server.listening:
    - name: haproxy
    - port: {{ want['port'] }}
    - require:
      - k8s_server: k8s-metrics-proxy
{%- elif salt['file.file_exists'](unit) %}

# It was one, or Prometheus is gone.
k8s-no-metrics-proxy:
  service.dead:
    - name: k8s-metrics-proxy
    - enable: False

k8s-no-metrics-proxy-files:
  file.absent:
    - names:
      - {{ unit }}
      - /etc/k8s-metrics-proxy
    - require:
      - service: k8s-no-metrics-proxy
{%- endif %}
