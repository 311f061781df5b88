# A file more, beside whatever else there is: for another closure of the same kind.
{
  environment.etc.changed.text = "changed\n";
}
