# The keys of test machines, which everybody knows: `artifacts.default.backend = "dummy"` makes a machine one. A tunnel between
# real machines has nothing to do with them.
{
  hub = {
    private = "iLxcA0OXc9TKxsx1EkISHhaJhHPWRmJ4vE6JC02LJ2k=";
    public = "ZdVY8zgfOAaI2LRXBsRZ2kPqjoZFWDxyDztomf6212M=";
  };
  leaf = {
    private = "WHYUlRjzZe0S2C+cLybBgQStngKnWEQPcTSEd6qGHWQ=";
    public = "IDT62vGn1GwCJtHoJGGq9EeqgSAYf0n/D0j6q8GNSlA=";
  };
}
