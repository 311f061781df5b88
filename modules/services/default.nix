{
  imports = [
    ./forgejo
    ./forgejo-runner
    ./harmonia
    ./kiosk
    ./monitoring
    ./reverse-proxy
    ./start-page
  ];
}
