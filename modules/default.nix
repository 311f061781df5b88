# Everything. Importing it changes nothing: each topic has its own switch.
{
  imports = [
    ./common
    ./deploy
    ./image
    ./services
    ./users
  ];
}
