using System.CommandLine;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using FineMixing.Cli.CommandLine;
using FineMixing.Cli.Commands;
using FineMixing.Cli.Terminal;

namespace FineMixing.Cli;

/// <summary>Runs one command: exit code 0 for success, 1 for a failure told in one line, 2 for wrong usage.</summary>
internal static class Application
{
    private const int Failure = 1;
    private const int WrongUsage = 2;

    // SIGXFSZ ends a process that writes past its limit (ulimit -f); without it the write fails as on a full disk, and what was begun is removed.
    private const PosixSignal FileTooLarge = (PosixSignal)25;

    public static int Run(RootCommand root, string[] args)
    {
        var parsed = root.Parse(args);
        var problems = parsed.Errors.Select(e => e.Message).Concat(Empty(parsed)).Distinct().ToList();
        if (problems.Count > 0)
        {
            foreach (var message in problems)
                Console.Error.WriteLine($"finemix: {Screen.OneLine(message)}");
            Console.Error.WriteLine($"Run '{CommandPath(parsed)} --help' for its options.");
            return WrongUsage;
        }

        using var fileTooLarge = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(FileTooLarge, context => context.Cancel = true);

        // A closed terminal cancels as Ctrl+C does.
        using var hangUp = new CancellationTokenSource();
        using var closed = OperatingSystem.IsWindows() || IgnoresHangUp() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            hangUp.Cancel();
        });
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // Ctrl+C cancels; the work then stops at the next safe place and removes what it had begun.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(30),
        };
        try
        {
            // Nothing else happens on this thread: waiting costs less than code that is compiled at start to come back to it.
            return parsed.InvokeAsync(configuration, hangUp.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("finemix: cancelled; nothing was written.");
            return Failure;
        }
#pragma warning disable CA1031 // The outermost place: whatever failed becomes one line and an exit code.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Console.Error.WriteLine(parsed.GetValue(CommonOptions.Verbose) ? $"finemix: {error}" : $"finemix: {Describe(error)}");
            return Failure;
        }
    }

    /// <summary>One line for people: the message alone where it was written for them, with its type where something unforeseen happened.</summary>
    public static string Describe(Exception error)
    {
        while (error is TypeInitializationException or AggregateException { InnerExceptions.Count: 1 } && error.InnerException is { } inner)
            error = inner;
        var message = error.Message;
        if (error is ArgumentException { ParamName: { } parameter })
            message = message.Replace($" (Parameter '{parameter}')", "", StringComparison.Ordinal);
        var foreseen = error is ArgumentException or IOException or UnauthorizedAccessException or InvalidOperationException or NotSupportedException
            || error.GetType().Namespace?.StartsWith("FineMixing", StringComparison.Ordinal) == true;
        return Screen.OneLine(foreseen ? message : $"{error.GetType().Name}: {message} (--verbose shows where)");
    }

    // What a script gives for a variable that is not set. An empty text is a text.
    private static IEnumerable<string> Empty(ParseResult parsed) =>
        from result in parsed.CommandResult.Children
        where result.Tokens.Any(t => t.Value.Length == 0)
        let name = result is OptionResult option ? option.Option.Name : result is ArgumentResult argument ? argument.Argument.Name : ""
        where name != PredictCommand.Text
        select $"{name} is empty, expected a value.";

    // nohup starts a program so that it goes on without its terminal.
    private static bool IgnoresHangUp()
    {
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        var line = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(l => l.StartsWith(Ignored, StringComparison.Ordinal)) : null;
        return line is not null && (Convert.ToUInt64(line[Ignored.Length..].Trim(), 16) & 1) != 0;
    }

    private static string CommandPath(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        return command is RootCommand ? "finemix" : $"finemix {command.Name}";
    }
}
