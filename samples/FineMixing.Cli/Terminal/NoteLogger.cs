using Microsoft.Extensions.Logging;

namespace FineMixing.Cli.Terminal;

/// <summary>What the library has to say on the way, as remarks on standard error.</summary>
internal sealed class NoteLogger : ILogger
{
    public static NoteLogger Instance { get; } = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            Screen.Note(formatter(state, exception));
    }
}
