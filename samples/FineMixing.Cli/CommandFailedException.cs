namespace FineMixing.Cli;

/// <summary>The command ran and its answer is no; the message is the line on standard error.</summary>
internal sealed class CommandFailedException(string message) : Exception(message);
