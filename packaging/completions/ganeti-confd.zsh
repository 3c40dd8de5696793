#compdef ganeti-confd
# Take the options from the program's help.
_arguments --
