#!/usr/bin/perl
# What sops-install-secrets does on NixOS, with the real sops: `secrets.pl MANIFEST` decrypts every secret with this
# machine's keys into a new folder of /run/secrets.d and puts it in the place of the old one as a whole. A secret that
# cannot be decrypted leaves everything as it was.
use strict;
use warnings;
use Digest::SHA qw(sha512);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use JSON::PP;
use MIME::Base64 qw(decode_base64);

my $manifest = decode_json(slurp($ARGV[0] // die "usage: secrets.pl MANIFEST\n"));
my ($mount, $link) = @$manifest{qw(secretsMountPoint symlinkPath)};

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "cannot read $file: $!\n";
    local $/;
    return scalar <$in>;
}

# Bech32, as age writes its keys.
sub bech32 {
    my ($prefix, $bytes) = @_;
    my $bits = unpack 'B*', $bytes;
    $bits .= '0' x (-length($bits) % 5);
    my @values = map { oct "0b$_" } $bits =~ /(.{5})/g;
    my @prefix = map { ord } split //, $prefix;
    my $sum = 1;
    for my $value ((map { $_ >> 5 } @prefix), 0, (map { $_ & 31 } @prefix), @values, (0) x 6) {
        my $top = $sum >> 25;
        $sum = ($sum & 0x1ffffff) << 5 ^ $value;
        my @generator = (0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3);
        for my $i (0 .. 4) { $sum ^= $generator[$i] if $top >> $i & 1 }
    }
    $sum ^= 1;
    my @letters = split //, 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
    return "${prefix}1" . join '', map { $letters[$_] } @values, map { $sum >> 5 * (5 - $_) & 31 } 0 .. 5;
}

# The age key of an ed25519 key of ssh without a passphrase, as ssh-to-age makes it.
sub age_key {
    my ($file) = @_;
    my $text = slurp($file);
    my ($body) = $text =~ /-----BEGIN OPENSSH PRIVATE KEY-----\n(.*?)-----END/s or die "$file is no private key of ssh\n";
    my $blob = decode_base64($body);
    # Magic, cipher, key derivation, its options; one key; the public half and the private part, each with its length.
    my ($magic, $cipher, undef, undef, undef, undef, $private) = unpack 'Z15 N/a N/a N/a N N/a N/a', $blob;
    die "$file has a passphrase\n" if $cipher ne 'none';
    my (undef, undef, $kind, undef, $pair) = unpack 'N N N/a N/a N/a', $private;
    die "$file is no ed25519 key\n" if $kind ne 'ssh-ed25519' || length($pair) != 64;
    return uc bech32('age-secret-key-', substr sha512(substr $pair, 0, 32), 0, 32);
}

my @keys;
for my $file (@{ $manifest->{ageSshKeyPaths} }) {
    my $key = eval { age_key($file) };
    # As there: one that is not usable is told, and the others are tried.
    if (defined $key) { push @keys, $key }
    else              { warn "cannot use $file: $@" }
}
push @keys, slurp($manifest->{ageKeyFile}) if defined $manifest->{ageKeyFile};

# Of each file once: its text, and its values if it has any by name.
my %files;
sub decrypted {
    my ($secret) = @_;
    my ($file, $format) = @$secret{qw(sopsFile format)};
    my $out = $format =~ /^(yaml|json)$/ && $secret->{key} ne '' ? 'json' : $format;
    return $files{$file, $out} if defined $files{$file, $out};
    local %ENV = (
        PATH                       => $ENV{PATH},
        HOME                       => '/var/empty',
        SOPS_AGE_KEY               => join("\n", @keys),
        SOPS_DISABLE_VERSION_CHECK => 'true',
    );
    my @sops = ('sops', 'decrypt', '--input-type', $format, '--output-type', $out, $file);
    open my $from, '-|:raw', @sops or die "cannot run sops: $!\n";
    my $text = do { local $/; <$from> };
    close $from or die "cannot decrypt $file: none of this machine's keys opens it, or it is damaged\n";
    return $files{$file, $out} = $out eq 'json' && $secret->{key} ne '' ? decode_json($text) : \$text;
}

sub value {
    my ($secret) = @_;
    my ($file, $key) = @$secret{qw(sopsFile key)};
    my $value = decrypted($secret);
    # Only of YAML and JSON a part is taken.
    return $$value if ref $value eq 'SCALAR';
    for my $word (split m{/}, $key, -1) {
        $value = ref $value eq 'HASH' ? $value->{$word} : undef;
        die "there is no `$key' in $file\n" unless defined $value;
    }
    die "`$key' in $file is no text\n" if ref $value;
    utf8::encode($value);
    return $value;
}

sub id {
    my ($name, $number, $of, $what) = @_;
    return $number // 0 unless defined $name;
    my $id = $of->($name);
    die "there is no $what $name\n" unless defined $id;
    return $id;
}

# All that can go wrong goes wrong before anything is changed.
my @secrets = map {
    my $secret = $_;
    +{
        %$secret,
        value => value($secret),
        uid   => id($secret->{owner}, $secret->{uid}, sub { scalar getpwnam $_[0] }, 'user'),
        gid   => id($secret->{group}, $secret->{gid}, sub { scalar getgrnam $_[0] }, 'group'),
    }
} @{ $manifest->{secrets} };

make_path($mount);
if (!grep { (split)[1] eq $mount } split /\n/, slurp('/proc/self/mounts')) {
    # Never written to a disk: ramfs does not swap.
    system('mount', '-t', 'ramfs', '-o', 'nodev,nosuid,mode=0751', 'none', $mount) == 0 or die "cannot mount $mount\n";
}
my ($last) = sort { $b <=> $a } map { m{/(\d+)$} } glob "$mount/*";
my $folder = "$mount/" . (($last // 0) + 1);
remove_tree($folder);
mkdir $folder, 0751 or die "cannot create $folder: $!\n";
for my $secret (@secrets) {
    my $file = "$folder/$secret->{name}";
    make_path(dirname($file), { mode => 0751 });
    open my $out, '>:raw', $file or die "cannot create $file: $!\n";
    chmod 0600, $out;
    print {$out} $secret->{value} or die "cannot write $file: $!\n";
    close $out or die "cannot write $file: $!\n";
    chown $secret->{uid}, $secret->{gid}, $file or die "cannot chown $file: $!\n";
    chmod oct $secret->{mode}, $file or die "cannot chmod $file: $!\n";
}

# Whose secret is new or another one; nobody waits for that while the machine boots.
my %changed = (restart => [], reload => []);
if (-e $link) {
    for my $secret (@secrets) {
        my $old = eval { slurp("$link/$secret->{name}") };
        next if defined $old && $old eq $secret->{value};
        push @{ $changed{$_} }, @{ $secret->{"${_}Units"} } for qw(restart reload);
    }
}
for my $list (grep { @{ $changed{$_} } } keys %changed) {
    make_path('/run/nixos');
    open my $out, '>>', "/run/nixos/activation-$list-list" or die "cannot tell which units to $list: $!\n";
    print {$out} map { "$_\n" } @{ $changed{$list} };
    close $out or die "cannot tell which units to $list: $!\n";
}

sub point {
    my ($from, $to) = @_;
    unlink "$from.new";
    symlink $to, "$from.new" or die "cannot link $from: $!\n";
    rename "$from.new", $from or die "cannot link $from: $!\n";
}
point($link, $folder);
for my $secret (@secrets) {
    my $own = "$link/$secret->{name}";
    next if $secret->{path} eq $own;
    make_path(dirname($secret->{path}));
    point($secret->{path}, $own);
}
remove_tree($_) for grep { $_ ne $folder } glob "$mount/*";
