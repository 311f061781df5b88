{
  imports = [
    ./deploy
    ./operator
  ];
}
