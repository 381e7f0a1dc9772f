# A new server asks to join its cluster, until it has: for highstate only. It needs nothing of the pillar: a server
# that no pool allows asks as well, and is told why not.
#
# A join may be cut off by whatever restarts, and highstate may not come again for long: so the ask is repeated by
# a schedule, with pauses that double. It ends by itself. A process of its own, so that it is never older than the
# code on disk.
{%- set managed = 'k8s' in pillar %}
{%- if managed %}

include:
  - k8s.server
{%- endif %}

k8s-join-again:
{%- if salt['k8s_node.standing']()['asks'] %}
  schedule.present:
    - name: k8s_join
    - function: cmd.run
    - job_args:
      - salt-call --config-dir={{ opts['conf_file'].rpartition('/')[0] }} --out=quiet --log-level=error k8s_node.ask
    - seconds: 60
    - splay: 30
    - run_on_start: False
    - return_job: False
    - maxrunning: 1
{%- else %}
  schedule.absent:
    - name: k8s_join
{%- endif %}

k8s-joined:
  k8s_node.joined:
    - require:
      - schedule: k8s-join-again
{%- if managed %}
      - sls: k8s.server
{%- endif %}
