# Kubelets ask for a new serving certificate several times in the life of a cluster, and Kubernetes itself approves
# none. A control plane does, after it has checked what is asked. A process of its own, so that it is never older
# than the code on disk.
k8s-serving-certificates:
  schedule.present:
    - name: k8s_serving_certificates
    - function: cmd.run
    - job_args:
      - >-
        test ! -e /etc/kubernetes/admin.conf || salt-call --config-dir={{ opts['conf_file'].rpartition('/')[0] }}
        --out=quiet --log-level=error k8s_csr.approve_serving
    - job_kwargs:
        python_shell: True
    - seconds: 600
    - splay: 120
    - run_on_start: False
    - return_job: False
    - maxrunning: 1
