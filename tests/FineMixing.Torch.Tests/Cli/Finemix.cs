using System.Diagnostics;

namespace FineMixing.Torch.Tests.Cli;

/// <summary>The built console tool, run as users run it: as a process.</summary>
internal static class Finemix
{
    private static readonly string Program = Find();

    public static FinemixResult Run(params string[] arguments) => Run(arguments, input: null, environment: null);

    public static FinemixResult Run(string[] arguments, string? input, IReadOnlyDictionary<string, string>? environment)
    {
        using var process = Start(["dotnet"], arguments, environment);
        process.StandardInput.Write(input);
        return Finish(process, process.StandardError.ReadToEndAsync());
    }

    /// <summary>Runs the tool where no file may become longer than so many KiB: to a program, a full disk.</summary>
    public static FinemixResult RunWithFileLimit(int kibibytes, params string[] arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no limit of file sizes on Windows.");
        // Otherwise the runtime itself begins with a file of megabytes in memory.
        var environment = new Dictionary<string, string> { ["DOTNET_EnableWriteXorExecute"] = "0" };
        using var process = Start(["bash", "-c", FormattableString.Invariant($"ulimit -f {kibibytes}; exec dotnet \"$@\""), "bash"], arguments, environment);
        return Finish(process, process.StandardError.ReadToEndAsync());
    }

    /// <summary>Runs the tool and sends it a signal (INT is Ctrl+C, HUP a closed terminal) when it has said something on standard error.</summary>
    public static FinemixResult RunInterrupted(string signal, params string[] arguments)
    {
        // A process that is started in the background may ignore signals, and so do its children, unless told otherwise.
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The signal is sent with tools of Linux.");
        using var process = Start(["env", $"--default-signal={signal}", "dotnet"], arguments, null);
        var first = process.StandardError.ReadLine();
        using (var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        return Finish(process, Rest());

        async Task<string> Rest() => $"{first}\n{await process.StandardError.ReadToEndAsync()}";
    }

    private static Process Start(string[] launcher, string[] arguments, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo(launcher[0], [.. launcher[1..], Program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        return Process.Start(start)!;
    }

    private static FinemixResult Finish(Process process, Task<string> error)
    {
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"finemix {string.Join(' ', process.StartInfo.ArgumentList)} did not end.");
        }

        return new FinemixResult(process.ExitCode, output, error.Result);
    }

    /// <summary>The tool beside this project, built in the same configuration.</summary>
    private static string Find()
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var configuration = output.Parent!.Name;
        for (var folder = output; folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FineMixing.sln")))
            {
                var path = Path.Combine(folder.FullName, "samples", "FineMixing.Cli", "bin", configuration, output.Name, "finemix.dll");
                return File.Exists(path) ? path : throw new FileNotFoundException("The console tool is not built.", path);
            }
        }

        throw new DirectoryNotFoundException($"No solution above '{output.FullName}'.");
    }
}

/// <summary>What a run of the tool left.</summary>
internal sealed record FinemixResult(int ExitCode, string Output, string Error)
{
    /// <summary>The lines of standard error.</summary>
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
