#compdef ganeti-confd
# The help of the program says what its options are.
_arguments --
