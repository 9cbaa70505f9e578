using System.Diagnostics;
using System.Globalization;

namespace FineMixing.Benchmarks.Processes;

/// <summary>Other programs, and this one again, as processes of their own.</summary>
internal static class ChildProcess
{
    private const int PollMilliseconds = 20;

    /// <summary>Runs this program with other arguments; returns the last line it printed.</summary>
    public static string Self(params string[] arguments)
    {
        // The program may run as its own executable or under the dotnet host.
        string[] host = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(ChildProcess).Assembly.Location] : [];
        return Start(Environment.ProcessPath!, [.. host, .. arguments]).Output.TrimEnd().Split('\n')[^1];
    }

    /// <summary>Runs the console tool, an executable or a .dll for the dotnet host; returns its peak resident memory in megabytes (0 where the system does not tell).</summary>
    public static double Tool(string path, params string[] arguments) =>
        path.EndsWith(".dll", StringComparison.Ordinal) ? Start("dotnet", [path, .. arguments]).PeakMegabytes : Start(path, arguments).PeakMegabytes;

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message has what it said.</exception>
    public static void Run(string program, params string[] arguments) => Start(program, arguments);

    /// <summary>The last line of a child that measures its own memory: megabytes at the peak.</summary>
    public static void PrintPeak() => Console.WriteLine(PeakMegabytes("self").ToString("0.0", CultureInfo.InvariantCulture));

    private static (string Output, double PeakMegabytes) Start(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };

        // What this program asks for itself is not what a process has that starts anew.
        start.Environment["DOTNET_TC_QuickJit"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        var peak = 0.0;
        while (!process.WaitForExit(PollMilliseconds))
            peak = Math.Max(peak, PeakMegabytes(process.Id.ToString(CultureInfo.InvariantCulture)));
        process.WaitForExit();
        return process.ExitCode == 0
            ? (output.Result, peak)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed with exit code {process.ExitCode}: {error.Result.Trim()}");
    }

    // The system's own high-water mark, so that polling misses only what happens just before the end.
    private static double PeakMegabytes(string process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(l => l.StartsWith("VmHWM", StringComparison.Ordinal));
            return line is null ? 0 : double.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024 / 1e6;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
