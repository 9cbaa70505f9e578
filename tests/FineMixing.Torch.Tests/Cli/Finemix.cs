using System.Diagnostics;

namespace FineMixing.Torch.Tests.Cli;

/// <summary>The built console tool, run as users run it: as a process.</summary>
internal static class Finemix
{
    private static readonly string Program = Find();

    public static FinemixResult Run(params string[] arguments) => Run(arguments, input: null, environment: null);

    public static FinemixResult Run(string[] arguments, string? input, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(Program);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment ?? new Dictionary<string, string>())
            start.Environment[key] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"finemix {string.Join(' ', arguments)} did not end.");
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
