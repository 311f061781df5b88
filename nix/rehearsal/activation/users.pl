#!/usr/bin/perl
# Brings /etc/passwd, group and shadow to what a configuration declares: `users.pl SPEC` (modules/users.nix writes it).
# Accounts that were never declared (Debian's) are left alone; with NIXOS_ACTION=dry-activate nothing is written.
use strict;
use warnings;
use File::Path qw(make_path);

my $dry   = ($ENV{NIXOS_ACTION} // '') eq 'dry-activate';
my $state = '/var/lib/nixos';
my $status = 0;

sub lines {
    my ($file) = @_;
    open my $in, '<', $file or return ();
    chomp(my @lines = <$in>);
    return @lines;
}

sub replace {
    my ($file, $mode, $group, @lines) = @_;
    return if $dry;
    open my $out, '>', "$file.tmp" or die "cannot write $file: $!\n";
    chmod 0600, $out;
    print {$out} map { "$_\n" } @lines or die "cannot write $file: $!\n";
    close $out or die "cannot write $file: $!\n";
    chown 0, $group, "$file.tmp";
    chmod $mode, "$file.tmp";
    rename "$file.tmp", $file or die "cannot write $file: $!\n";
}

sub note { print STDERR $dry ? 'would ' : '', "$_[0]\n" }

# What is there, in the order of the files.
my (@user_order, %user, @group_order, %group, %shadow);
for (lines('/etc/passwd')) { my @f = split /:/, $_, -1; push @user_order,  $f[0]; $user{ $f[0] }  = \@f }
for (lines('/etc/group'))  { my @f = split /:/, $_, -1; push @group_order, $f[0]; $group{ $f[0] } = \@f }
for (lines('/etc/shadow')) { my @f = split /:/, $_, -1; $shadow{ $f[0] } = \@f }

# What is wanted.
my ($mutable, %wanted_user, %wanted_group, %member);
for (lines($ARGV[0] // die "usage: users.pl SPEC\n")) {
    my ($kind, @f) = split /\t/, $_, -1;
    if    ($kind eq 'mutable') { $mutable = $f[0] }
    elsif ($kind eq 'group')   { $wanted_group{ $f[0] } = { gid => $f[1], members => $f[2] } }
    elsif ($kind eq 'member')  { $member{ $f[0] } = $f[1] }
    elsif ($kind eq 'user') {
        my %u;
        @u{qw(uid kind group home create shell description password password_file)} = @f[ 1 .. 9 ];
        $wanted_user{ $f[0] } = \%u;
    }
}

# Numbers once given are kept for ever: files of a removed user must not become those of the next one.
my %kept_uid = map { split /:/ } lines("$state/uid-map");
my %kept_gid = map { split /:/ } lines("$state/gid-map");
sub number {
    my ($wanted, $name, $present, $kept, $taken, $normal) = @_;
    my $n = $wanted ne '-' ? $wanted : $present // $kept->{$name};
    if (!defined $n) {
        my %used = map { $_ => 1 } @$taken, values %$kept;
        my @range = $normal ? (1000 .. 29999) : reverse 400 .. 999;
        ($n) = grep { !$used{$_} } @range;
        die "no number is left for $name\n" unless defined $n;
    }
    $kept->{$name} = $n;
    return $n;
}

# Groups.
my %was_user  = map { $_ => 1 } lines("$state/declarative-users");
my %was_group = map { $_ => 1 } lines("$state/declarative-groups");
for my $name (grep { !$wanted_group{$_} } sort keys %was_group) {
    next unless delete $group{$name};
    note($dry ? "remove group $name" : "removing group $name");
}
for my $name (sort keys %wanted_group) {
    my ($w, $now) = ($wanted_group{$name}, $group{$name});
    my $gid = number($w->{gid}, $name, $now && $now->[2], \%kept_gid, [ map { $_->[2] } values %group ], 0);
    note($dry ? "create group $name" : "creating group $name") unless $now;
    push @group_order, $name unless $now;
    my %members = map { $_ => 1 } split /,/, $w->{members};
    # Members that were added by hand stay where users may be changed by hand.
    if ($mutable && $now) { $members{$_} = 1 for grep { !$was_user{$_} } split /,/, $now->[3] }
    $group{$name} = [ $name, 'x', $gid, join ',', sort keys %members ];
}
for my $name (sort keys %member) {
    next if $group{$name};
    warn "warning: users are to be in the group $name, which does not exist\n";
}
# Groups that are Debian's: declared users come and go, the rest is not ours.
for my $name (grep { !$wanted_group{$_} } keys %group) {
    my %members = map { $_ => 1 } grep { !$was_user{$_} } split /,/, $group{$name}[3];
    $members{$_} = 1 for split /,/, $member{$name} // '';
    $group{$name}[3] = join ',', sort keys %members;
}

# Users.
for my $name (grep { !$wanted_user{$_} } sort keys %was_user) {
    delete $shadow{$name};
    next unless delete $user{$name};
    note($dry ? "remove user $name" : "removing user $name");
}
my @homes;
for my $name (sort keys %wanted_user) {
    my ($w, $now) = ($wanted_user{$name}, $user{$name});
    my $uid = number($w->{uid}, $name, $now && $now->[2], \%kept_uid, [ map { $_->[2] } values %user ], $w->{kind} eq 'normal');
    note($dry ? "create user $name" : "creating user $name") unless $now;
    push @user_order, $name unless $now;
    my $group = $group{ $w->{group} };
    if (!$group) {
        warn "user $name: the group $w->{group} does not exist\n";
        $status = 1;
    }
    my $gid = $group ? $group->[2] : 65534;
    $user{$name} = [ $name, 'x', $uid, $gid, $w->{description}, $w->{home}, $w->{shell} ];

    my $hash = $w->{password} ne '-' ? $w->{password} : undef;
    if ($w->{password_file} ne '-') {
        ($hash) = lines($w->{password_file});
        warn "warning: user $name: the password file $w->{password_file} does not exist or is empty\n" unless defined $hash;
    }
    my $old = $shadow{$name};
    # A password is set at creation; later only where the configuration is the only one to say.
    if (!$old)         { $shadow{$name} = [ $name, $hash // '!', 1, '', '', '', '', '', '' ] }
    elsif (!$mutable)  { $old->[1] = $hash // '!' }
    push @homes, [ $w->{home}, $w->{create}, $uid, $gid ] if $w->{create} ne '-';
}

my $shadow_group = getgrnam('shadow') // 0;
replace('/etc/group',  0644, 0, map { join ':', @{ $group{$_} } } grep { $group{$_} } @group_order);
replace('/etc/passwd', 0644, 0, map { join ':', @{ $user{$_} } } grep { $user{$_} } @user_order);
replace('/etc/shadow', 0640, $shadow_group, map { join ':', @{ $shadow{$_} } } grep { $shadow{$_} } @user_order);
exit $status if $dry;

for (@homes) {
    my ($home, $mode, $uid, $gid) = @$_;
    next if -e $home;
    make_path($home);
    chown $uid, $gid, $home;
    chmod oct $mode, $home;
}
make_path($state);
replace("$state/declarative-users",  0644, 0, sort keys %wanted_user);
replace("$state/declarative-groups", 0644, 0, sort keys %wanted_group);
replace("$state/uid-map", 0644, 0, map { "$_:$kept_uid{$_}" } sort keys %kept_uid);
replace("$state/gid-map", 0644, 0, map { "$_:$kept_gid{$_}" } sort keys %kept_gid);
exit $status;
