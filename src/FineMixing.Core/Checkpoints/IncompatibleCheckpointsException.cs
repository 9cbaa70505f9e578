namespace FineMixing.Checkpoints;

/// <summary>Two checkpoints cannot be mixed: tensors are missing or have different shapes. The message lists all differences.</summary>
public sealed class IncompatibleCheckpointsException : ArgumentException
{
    /// <summary>Describes the differences.</summary>
    public IncompatibleCheckpointsException(string message, IReadOnlyList<string> differences)
        : base(message) => Differences = differences;

    /// <summary>All differences, one sentence each.</summary>
    public IReadOnlyList<string> Differences { get; }
}
