# A server asks to join its cluster: note it. The engine k8s_joins asks the server itself before anything is done.
{#- The event's id can be forged, so it is data and nothing else. #}
k8s-join-asked:
  runner.k8s.ask_join:
    - args:
      - server: {{ data['id'] | json }}
