#!/usr/bin/perl
# The contract of NixOS' program of this name, on a Debian guest: boot entry, activation, units. Exit codes as there:
# 1 nothing was done (or no boot entry), 2 activation failed, 3 systemd did not reload, 4 a unit failed, 100 other init.
# Only modules of Debian's perl-base are used: a small guest has no more.
use strict;
use warnings;
use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);

my $toplevel = dirname(dirname(abs_path($0)));
my $action   = $ARGV[0] // '';
if (@ARGV != 1 || $action !~ /^(switch|boot|test|dry-activate|check)$/) {
    print STDERR <<"EOF";
usage: $0 switch|boot|test|dry-activate|check
  switch        activate this configuration and make it the boot default
  boot          make it the boot default
  test          activate it; the next boot is not changed
  dry-activate  say what an activation would do
  check         run the checks that precede a switch
EOF
    exit 1;
}
if (!-f '/etc/slipway-rehearsal-guest') {
    die "refusing to switch: this machine is not a rehearsal guest (it has no /etc/slipway-rehearsal-guest)\n";
}
die "cannot switch: not running as root\n" if $> != 0;
$ENV{NIXOS_ACTION} = $action;
$ENV{PATH}         = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
$ENV{LC_ALL}       = 'C.UTF-8';
# A client that hangs up must not end a half-done switch.
$SIG{PIPE} = 'IGNORE';
$SIG{HUP}  = 'IGNORE';

my $dry = $action eq 'dry-activate';
sub say_all { my ($what, @units) = @_; print STDERR "$what: ", join(', ', sort @units), "\n" if @units }

mkdir '/run/nixos', 0755;
open my $lock, '>>', '/run/nixos/switch-to-configuration.lock' or die "cannot open the lock: $!\n";
flock $lock, LOCK_EX or die "cannot take the lock: $!\n";

if (($ENV{NIXOS_NO_CHECK} // '') ne '1' || $action eq 'check') {
    system("$toplevel/pre-switch-checks", $toplevel, $action) == 0 or exit 1;
}
exit 0 if $action eq 'check';

if ($action eq 'switch' || $action eq 'boot') {
    system("$toplevel/install-boot-loader", $toplevel) == 0 or exit 1;
}
system('sync', '-f', '/nix/store') if !$dry && ($ENV{NIXOS_NO_SYNC} // '') ne '1';
exit 0 if $action eq 'boot';

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return;
    local $/;
    return scalar <$in>;
}

my $interface = slurp('/run/current-system/init-interface-version');
if (defined $interface && $interface ne slurp("$toplevel/init-interface-version")) {
    print STDERR "the running system has another init: this configuration can only be booted into\n";
    exit 100;
}

# Units. Configured ones lie in $ROOT/etc/systemd/system, Debian's own are found last.
my $debians = '/usr/lib/systemd/system';

sub base_name { my ($unit) = @_; return $unit =~ /^([^@]*@)[^.]+(\..*)$/ ? "$1$2" : $unit }

# The files that make a unit under a root, the unit's own first; and whether that one is configured, not Debian's.
sub unit_files {
    my ($root, $unit) = @_;
    my @names = ($unit, base_name($unit) ne $unit ? base_name($unit) : ());
    my ($own) = grep { -e } map { "$root/etc/systemd/system/$_" } @names;
    my ($main) = grep { defined && -e } $own, map { "$debians/$_" } @names;
    my @dropins = map { sort glob "$root/etc/systemd/system/$_.d/*.conf" } map { s/([\\ ])/\\$1/gr } reverse @names;
    return ($own, grep { defined } $main, @dropins);
}

# { Section => { Key => [values] } }; an empty value clears what was said before.
sub parse_unit {
    my (@files) = @_;
    my %unit;
    for my $file (@files) {
        my $section = '';
        for (split /\n/, (slurp($file) // '') =~ s/\\\n/ /gr) {
            next if /^\s*([#;]|$)/;
            if (/^\s*\[(.+)\]\s*$/) { $section = $1; next }
            next if $section eq 'Install' || !/^\s*([^=]+?)\s*=\s*(.*?)\s*$/;
            if ($2 eq '') { delete $unit{$section}{$1} }
            else          { push @{ $unit{$section}{$1} }, $2 }
        }
    }
    return \%unit;
}

sub flag {
    my ($unit, $section, $key, $default) = @_;
    my $values = $unit->{$section}{$key} or return $default;
    return $values->[-1] =~ /^(1|yes|true|on)$/i;
}

# What a change asks for: 'none', 'reload' or 'restart'.
my %harmless = map { $_ => 1 } qw(Description Documentation OnFailure OnSuccess OnFailureJobMode IgnoreOnIsolate
    StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate CollectMode SourcePath);
sub compare {
    my ($old, $new) = @_;
    my $result = 'none';
    for my $section (keys %{ { %$old, %$new } }) {
        my ($o, $n) = ($old->{$section} // {}, $new->{$section} // {});
        for my $key (keys %{ { %$o, %$n } }) {
            next if join("\0", @{ $o->{$key} // [] }) eq join("\0", @{ $n->{$key} // [] });
            next if $section eq 'Unit' && $harmless{$key};
            if (($section eq 'Unit' && $key eq 'X-Reload-Triggers') || ($section eq 'Mount' && $key eq 'Options')) {
                $result = 'reload';
            }
            elsif ($section eq 'Service' && $key eq 'ExecReload') {
                $result = 'reload' if $n->{$key};
            }
            else { return 'restart' }
        }
    }
    return $result;
}

# As NixOS does: systemd is executed anew if its configuration is another.
sub manager_changes {
    my ($now, $new) = map { slurp("$_/systemd/system.conf") // '' } '/etc', "$toplevel/etc";
    return $now ne $new;
}

sub active_units {
    my %units;
    open my $out, '-|', 'systemctl', 'list-units', '--full', '--plain', '--no-legend' or die "cannot run systemctl: $!\n";
    while (<$out>) {
        my ($unit, undef, $active, $sub) = split;
        $units{$unit} = { active => $active, sub => $sub };
    }
    close $out or die "cannot ask systemd for its units\n";
    return \%units;
}

my (%stop, %start, %restart, %reload, %skip, %quiet);
my $before = active_units();

# What a switch that was interrupted still owed is owed by this one.
my %lists = (start => \%start, restart => \%restart, reload => \%reload);
for my $list (keys %lists) { $lists{$list}{$_} = 1 for split /\n/, slurp("/run/nixos/$list-list") // '' }
sub record {
    my ($list) = @_;
    return if $dry;
    open my $out, '>', "/run/nixos/$list-list" or die "cannot write /run/nixos/$list-list: $!\n";
    print {$out} map { "$_\n" } sort keys %{ $lists{$list} };
    close $out or die "cannot write /run/nixos/$list-list: $!\n";
}

# Whether a unit goes on as it was, whatever changes.
sub goes_on {
    my ($unit) = @_;
    return !flag($unit, 'Service', 'X-RestartIfChanged', 1)
        || flag($unit, 'Unit', 'RefuseManualStop', 0)
        || flag($unit, 'Unit', 'X-OnlyManualStart', 0);
}

sub plan_changed {
    my ($unit, $new) = @_;
    # These cannot be restarted; slices and paths take their new settings at the reload, sockets keep listening.
    return if $unit =~ /^(sysinit|basic|multi-user|graphical)\.target$/ || $unit =~ /\.(path|slice|socket)$/;
    if ($unit =~ /\.mount$/) {
        if ($unit eq '-.mount' || $unit eq 'nix.mount') { $reload{$unit} = 1 }
        else                                            { $restart{$unit} = 1 }
    }
    elsif (flag($new, 'Service', 'X-ReloadIfChanged', 0)) { $reload{$unit} = 1 }
    # Restarting the bus takes everything that is connected to it down.
    elsif ($unit =~ /^dbus(-broker)?\.service$/) { }
    elsif (goes_on($new)) { $skip{$unit} = 1 }
    # Only services have something to run when they stop.
    elsif ($unit !~ /\.service$/ || !flag($new, 'Service', 'X-StopIfChanged', 1)) { $restart{$unit} = 1 }
    else {
        $stop{$unit} = 1;
        # A service that its socket starts is left to the socket.
        my @sockets = split ' ', join ' ', @{ $new->{Service}{Sockets} // [] };
        @sockets = (base_name($unit) =~ s/\.service$/.socket/r) unless @sockets;
        my $by_socket = 0;
        for my $socket (grep { $before->{$_} } @sockets) {
            $stop{$socket} = 1;
            my (undef, @files) = unit_files($toplevel, $socket);
            next unless @files;
            $start{$socket} = $by_socket = 1;
        }
        $start{$unit} = 1 unless $by_socket;
    }
}

for my $unit (sort keys %$before) {
    next unless $before->{$unit}{active} =~ /^(active|activating|reloading)$/;
    my ($old_own, @old) = unit_files('', $unit);
    my ($new_own, @new) = unit_files($toplevel, $unit);
    next unless @old || @new;
    my $masked = @new && (abs_path($new[0]) // '') eq '/dev/null';
    if (!@new || $masked || ($old_own && !$new_own)) {
        # A unit of ours that is gone ends, even if Debian has one of its name that nothing asks for.
        $stop{$unit} = 1 if flag(parse_unit(@old), 'Unit', 'X-StopOnRemoval', 1);
        next;
    }
    my $new = parse_unit(@new);
    if ($unit =~ /\.target$/) {
        # Starting an active target again starts what it wants and did not want before.
        if ($unit !~ /^(suspend|hibernate|hybrid-sleep)\.target$/
            && !flag($new, 'Unit', 'RefuseManualStart', 0) && !flag($new, 'Unit', 'X-OnlyManualStart', 0)) {
            $start{$unit} = $quiet{$unit} = 1;
        }
        $stop{$unit} = 1 if flag($new, 'Unit', 'X-StopOnReconfiguration', 0);
        next;
    }
    # Nothing that the configuration speaks of; most units are.
    next if "@old" eq "@new" && !grep { m{^/etc/} } @new;
    my $change = compare(parse_unit(@old), $new);
    if    ($change eq 'restart') { plan_changed($unit, $new) }
    elsif ($change eq 'reload')  { $reload{$unit} = 1 }
}
delete @reload{ keys %restart, keys %stop };
my @stop_shown = grep { !$quiet{$_} } keys %stop;

if ($dry) {
    say_all('would stop the following units', @stop_shown);
    say_all('would NOT stop the following changed units', keys %skip);
    print STDERR "would activate the configuration...\n";
    system("$toplevel/dry-activate");
    print STDERR "would restart systemd\n" if manager_changes();
    say_all('would reload the following units',  keys %reload);
    say_all('would restart the following units', keys %restart);
    say_all('would start the following units', grep { !$quiet{$_} } keys %start);
    exit 0;
}

record($_) for keys %lists;
my $result = 0;
system('logger', '-t', 'nixos', "switching to system configuration $toplevel");
if (%stop) {
    say_all('stopping the following units', @stop_shown);
    system('systemctl', 'stop', '--', sort keys %stop);
}
say_all('NOT restarting the following changed units', keys %skip);

my $reexecute = manager_changes();

print STDERR "activating the configuration...\n";
system("$toplevel/activate") == 0 or $result = 2;

# What the activation itself asks for, as that of secrets does for units whose secrets are others now.
for my $unit (split /\n/, slurp('/run/nixos/activation-restart-list') // '') {
    my (undef, @files) = unit_files($toplevel, $unit);
    my $info = parse_unit(@files);
    if    (!$before->{$unit})                            { $start{$unit}  = 1 }
    elsif (flag($info, 'Service', 'X-ReloadIfChanged', 0)) { $reload{$unit} = 1 }
    elsif (goes_on($info)) { $skip{$unit} = 1 }
    # What was stopped is started anyway.
    elsif (!$stop{$unit}) { $restart{$unit} = 1 }
}
for my $unit (split /\n/, slurp('/run/nixos/activation-reload-list') // '') {
    $reload{$unit} = 1 if $before->{$unit} && !$restart{$unit} && !$stop{$unit};
}
record($_) for keys %lists;
unlink '/run/nixos/activation-restart-list', '/run/nixos/activation-reload-list';

if ($reexecute) {
    print STDERR "restarting systemd...\n";
    system('systemctl', 'daemon-reexec') == 0 or $result = 2;
}
system('systemctl', 'reset-failed');
system('systemctl', 'daemon-reload') == 0 or $result = 3;
system('systemctl', 'restart', 'sysinit-reactivation.target') == 0 or $result = 4;

# A unit to be reloaded may have ended with one that it needed: then it is started instead.
for my $unit (keys %reload) {
    next if system('systemctl', 'is-active', '--quiet', '--', $unit) == 0;
    delete $reload{$unit};
    my (undef, @files) = unit_files($toplevel, $unit);
    my $info = parse_unit(@files);
    next if flag($info, 'Unit', 'RefuseManualStart', 0) || flag($info, 'Unit', 'X-OnlyManualStart', 0);
    $start{$unit} = 1;
}
record('start');
for my $step ([ 'reload', 'reloading', \%reload ], [ 'restart', 'restarting', \%restart ], [ 'start', 'starting', \%start ]) {
    my ($verb, $saying, $units) = @$step;
    if (%$units) {
        say_all("$saying the following units", grep { !$quiet{$_} } keys %$units);
        system('systemctl', $verb, '--', sort keys %$units) == 0 or $result = 4;
    }
    unlink "/run/nixos/$verb-list";
}

my $after = active_units();
my (@failed, @new);
for my $unit (sort keys %$after) {
    my $state = $after->{$unit};
    my $failed = $state->{active} eq 'failed';
    # Waiting for its next try after a failure is a failure, too.
    if ($state->{sub} eq 'auto-restart') {
        my $exit = `systemctl show --value --property=ExecMainStatus -- '$unit'`;
        $failed ||= $exit !~ /^0?\s*$/;
    }
    if    ($failed) { push @failed, $unit }
    elsif (!$before->{$unit} && $unit !~ /\.scope$/) { push @new, $unit }
}
say_all('the following new units were started', @new);
if (@failed) {
    say_all('warning: the following units failed', @failed);
    print STDERR `systemctl status --no-pager --full -- @{[ map { "'$_'" } @failed ]}`;
    $result = 4;
}
system('logger', '-t', 'nixos', $result == 0 ? "finished switching to $toplevel" : "switching to $toplevel failed ($result)");
exit $result;
