/^(.*)-bounces@/ mailman:
/\.lists\.example\.org$/ lists:
