#!/usr/bin/perl
# Asks a daemon for the cluster's master, and prints the reply: master.pl LIBRARY ADDRESS PORT KEYFILE
#
# A language that has no port of its own uses the codec like this. It needs Debian's package
# libffi-platypus-perl.
use strict;
use warnings;
use FFI::Platypus 2.00;
use IO::Select;
use IO::Socket::INET;

die "usage: master.pl LIBRARY ADDRESS PORT KEYFILE\n" unless @ARGV == 4;
my ($library, $address, $port, $key_file) = @ARGV;

my $ffi = FFI::Platypus->new(api => 2, lib => $library);
$ffi->attach([confd_seal => 'seal'], ['string', 'size_t', 'string', 'sint64', 'opaque'] => 'int');
$ffi->attach([confd_open => 'unseal'], ['string', 'size_t', 'string', 'size_t', 'string', 'opaque'] => 'int');
$ffi->attach([confd_free => 'release'], ['opaque'] => 'void');

# result returns the data that a function makes, and what went wrong.
sub result {
    my ($function, @arguments) = @_;
    my $memory = "\0" x (2 * $ffi->sizeof('opaque') + $ffi->sizeof('size_t'));
    my $pointer = unpack 'J', pack 'p', $memory;
    $function->(@arguments, $pointer);
    my ($error, $data, $size) = unpack 'J3', $memory;
    my @texts = map { $_ ? $ffi->cast('opaque', 'string', $_) : undef } $data, $error;
    release($pointer);
    return @texts;
}

open my $file, '<:raw', $key_file or die "$key_file: $!\n";
my $key = do { local $/; <$file> };
my $udp = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $address, PeerPort => $port) or die "$address: $@\n";

my $rsalt = "$$-" . time;
my ($datagram, $error) = result(\&seal, $key, length $key, qq({"protocol": 1, "type": 3, "rsalt": "$rsalt"}), time);
die "$error\n" if defined $error;
$udp->send($datagram);

while (IO::Select->new($udp)->can_read(10)) {
    defined $udp->recv(my $received, 65536) or next;
    my ($reply, $why) = result(\&unseal, $key, length $key, $received, length $received, $rsalt);
    if (defined $reply) {
        print "$reply\n";
        exit;
    }
    warn "$why\n";
}
die "no reply\n";
