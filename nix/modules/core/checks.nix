# What can be wrong with declarations, found at evaluation.
kind:
{ ... }:
{
}
