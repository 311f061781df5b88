#!/usr/bin/perl
# Lays a tree from the store over /etc: `etc.pl TREE`. Files are links to /etc/static/FILE, or copies where the tree has
# FILE.mode ("MODE USER GROUP"); what an earlier tree brought and this one does not is removed.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find qw(find);
use File::Path qw(make_path);

my $tree = abs_path($ARGV[0] // '') // die "usage: etc.pl TREE\n";
my ($static, $copies_list) = ('/etc/static', '/etc/.static-copies');

sub link_atomically {
    my ($to, $at) = @_;
    unlink "$at.tmp";
    symlink $to, "$at.tmp" or die "cannot link $at.tmp: $!\n";
    # Debian has folders where the configuration wants to be the only one to speak (systemd/system, above all).
    rename $at, "$at.debian" or die "cannot move $at aside: $!\n" if -d $at && !-l $at;
    rename "$at.tmp", $at or die "cannot put $at in place: $!\n";
}

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    return scalar <$in>;
}

link_atomically($tree, $static);

my %wanted;
find({
    no_chdir => 1,
    wanted   => sub {
        my $from = $File::Find::name;
        return if $from eq $tree || (-d $from && !-l $from) || $from =~ /\.mode$/;
        $wanted{ substr $from, length("$tree/") } = 1;
    },
}, $tree);

# Stale links, and links below a folder that has become a link: all that point to /etc/static and lead nowhere now.
find({
    no_chdir => 1,
    wanted   => sub {
        my $at = $File::Find::name;
        if ($at eq $static) { $File::Find::prune = 1; return }
        return unless -l $at && (readlink($at) // '') =~ m{^\Q$static\E/};
        unlink $at unless $wanted{ substr $at, length('/etc/') };
    },
}, '/etc');

my %old_copies = map { $_ => 1 } split /\n/, slurp($copies_list);
my @copies;
my $failed = 0;
for my $file (sort keys %wanted) {
    my ($from, $at) = ("$tree/$file", "/etc/$file");
    eval {
        make_path(dirname($at));
        if (-e "$from.mode") {
            my ($mode, $user, $group) = split ' ', slurp("$from.mode");
            if ($mode eq 'direct-symlink') {
                link_atomically(abs_path($from), $at);
            }
            else {
                my $uid = $user  =~ /^\+(\d+)$/ ? $1 : getpwnam($user)  // die "user $user does not exist\n";
                my $gid = $group =~ /^\+(\d+)$/ ? $1 : getgrnam($group) // die "group $group does not exist\n";
                open my $out, '>', "$at.tmp" or die "$!\n";
                chmod 0600, $out;
                print {$out} slurp($from) or die "$!\n";
                close $out or die "$!\n";
                chown $uid, $gid, "$at.tmp" or die "$!\n";
                chmod oct $mode, "$at.tmp" or die "$!\n";
                rename "$at.tmp", $at or die "$!\n";
            }
            push @copies, $file;
        }
        else {
            link_atomically("$static/$file", $at) unless -l $at && readlink($at) eq "$static/$file";
        }
        1;
    } or do {
        warn "cannot set up /etc/$file: $@";
        $failed = 1;
    };
    delete $old_copies{$file};
}

unlink "/etc/$_" for keys %old_copies;
open my $out, '>', "$copies_list.tmp" or die "cannot write $copies_list: $!\n";
print {$out} map { "$_\n" } @copies;
close $out or die "cannot write $copies_list: $!\n";
rename "$copies_list.tmp", $copies_list or die "cannot write $copies_list: $!\n";
exit $failed;
