using System.Diagnostics;
using FineMixing.Tests;
using FineMixing.Torch.Native;

namespace FineMixing.Torch.Tests.Native;

public class TorchRuntimeTests
{
    private const string CppRuntime = "libstdc++.so.6";

    [Fact]
    public void EnsureLoaded_ManyThreads_Loads()
    {
        Parallel.For(0, 16, _ => TorchRuntime.EnsureLoaded());
        using var x = TorchSharp.torch.ones(3);
        Assert.Equal(3f, x.sum().item<float>());
    }

    [Theory]
    [InlineData("torch-first")]
    [InlineData("library-first")]
    public async Task Process_AnyCallOrder_Loads(string order)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The probe is started through the Linux host.");

        // Several at once, with an empty cache: each must find or make the adapted library.
        using var cache = new TemporaryFolder();
        var probes = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Probe(order, cache.Path)));
        Assert.All(probes, p => Assert.Equal((0, "6"), (p.ExitCode, p.Output.Trim())));
        Assert.False(Directory.Exists(Path.Combine(AppContext.BaseDirectory, "cpu")), "TorchSharp fell back to copying libraries.");
    }

    [Fact]
    public async Task Process_WithoutLibtorch_SaysWhatIsMissing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The probe is started through the Linux host.");
        using var cache = new TemporaryFolder();
        var probe = await Probe("missing", cache.Path);
        Assert.Equal(3, probe.ExitCode);
        Assert.Contains("libtorch-cpu-linux-x64", probe.Output);
        Assert.DoesNotContain("Trace from LoadNativeBackend", probe.Output);
    }

    [Theory]
    [InlineData("torch-first", 0, "6")]
    [InlineData("library-first", 0, "6")]
    public async Task Process_GivenFolder_LoadsItsLibtorch(string order, int exitCode, string output)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The variable is read on Linux.");
        using var folder = new TemporaryFolder();
        var probe = await Probe(order, folder.Path, Path.GetDirectoryName(LibTorch())!, WithoutLibTorch(folder.Path));
        Assert.Equal((exitCode, output), (probe.ExitCode, probe.Output.Trim()));
    }

    [Fact]
    public async Task Process_GivenFolderUnfit_SaysWhy()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The variable is read on Linux.");
        using var folder = new TemporaryFolder();
        var app = WithoutLibTorch(folder.Path);
        var empty = await Probe("library-first", folder.Path, folder.Path, app);
        Assert.Equal(3, empty.ExitCode);
        Assert.Contains($"FINEMIXING_LIBTORCH is '{folder.Path}', where there is no libtorch_cpu.so", empty.Output);

        // The test program has a libtorch of its own: two in one process would not do.
        var two = await Probe("library-first", folder.Path, Path.GetDirectoryName(LibTorch())!);
        Assert.Equal(3, two.ExitCode);
        Assert.Contains("has a libtorch of its own", two.Output);

        // Files of the right names that are something else.
        var other = Directory.CreateDirectory(Path.Combine(folder.Path, "other")).FullName;
        foreach (var name in (string[])["libc10.so", "libtorch_cpu.so", "libtorch.so"])
            File.Copy(Path.Combine(Path.GetDirectoryName(LibTorch())!, "libc10.so"), Path.Combine(other, name));
        var older = await Probe("library-first", folder.Path, other, app);
        Assert.Equal(3, older.ExitCode);
        Assert.Contains("lacks", older.Output);
        Assert.Contains("TorchSharp 0.107.0 was built for libtorch 2.10.0", older.Output);
    }

    [Fact]
    public void UndefinedSymbols_TorchSharp_NamesWhatItTakesFromLibtorch()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The library is an ELF file.");
        var symbols = ElfVersionPatch.UndefinedSymbols(File.ReadAllBytes(Original()));
        Assert.Contains("_ZN5torch4cuda12is_availableEv", symbols);
        Assert.DoesNotContain("THSTensor_dispose", symbols);
    }

    [Fact]
    public void Relax_OldRuntime_MakesMissingVersionsWeakAndMovesWait()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The library is an ELF file.");
        var elf = File.ReadAllBytes(Original());
        var required = ElfVersionPatch.RequiredVersions(elf, CppRuntime);
        Assert.Contains("GLIBCXX_3.4.32", required);

        // RHEL 9 has neither 3.4.30 nor 3.4.32.
        var old = required.Where(v => v is not ("GLIBCXX_3.4.30" or "GLIBCXX_3.4.32")).ToHashSet();
        var patched = ElfVersionPatch.Relax(elf, CppRuntime, old);
        Assert.Equal(elf.Length, patched.Length);
        var changed = Enumerable.Range(0, elf.Length).Where(i => elf[i] != patched[i]).ToList();
        Assert.InRange(changed.Count, 3, 4);
        Assert.True(changed.All(i => i > 64), "The header is untouched.");

        // Relaxing nothing changes nothing.
        Assert.Equal(elf, ElfVersionPatch.Relax(elf, CppRuntime, required.ToHashSet()));
    }

    [Fact]
    public void Relax_MissingVersionInUse_NamesTheSymbol()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The library is an ELF file.");
        var elf = File.ReadAllBytes(Original());
        var available = ElfVersionPatch.RequiredVersions(elf, CppRuntime).Where(v => v != "GLIBCXX_3.4.29").ToHashSet();
        Assert.Contains("__throw_bad_array_new_length", Assert.Throws<NotSupportedException>(() => ElfVersionPatch.Relax(elf, CppRuntime, available)).Message);
    }

    [Fact]
    public void Relax_NotElf_Throws() =>
        Assert.Throws<BadImageFormatException>(() => ElfVersionPatch.Relax(new byte[100], CppRuntime, new HashSet<string>()));

    private static string Original() => Directory.EnumerateFiles(AppContext.BaseDirectory, "libLibTorchSharp.so", SearchOption.AllDirectories).First();

    private static string LibTorch() => Directory.EnumerateFiles(AppContext.BaseDirectory, "libtorch_cpu.so", SearchOption.AllDirectories).First();

    // This program as an application without a libtorch package: all in one folder, found without a list of dependencies.
    private static string WithoutLibTorch(string folder)
    {
        var app = Directory.CreateDirectory(Path.Combine(folder, "app")).FullName;
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory).Where(f => !f.EndsWith(".deps.json", StringComparison.Ordinal) && !Path.GetFileName(f).StartsWith("lib", StringComparison.Ordinal)).Append(Original()))
            File.Copy(file, Path.Combine(app, Path.GetFileName(file)));
        return Path.Combine(app, Path.GetFileName(Environment.ProcessPath!));
    }

    // This test program doubles as the probe: see ProbeProgram.
    private static async Task<(int ExitCode, string Output)> Probe(string mode, string cache, string? libTorch = null, string? program = null)
    {
        var start = new ProcessStartInfo(program ?? Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (libTorch is not null)
            start.Environment["FINEMIXING_LIBTORCH"] = libTorch;
        start.Environment["XDG_CACHE_HOME"] = cache;
        start.Environment["FINEMIXING_PROBE"] = mode;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await error);
    }
}
