namespace FineMixing.Checkpoints;

/// <summary>A checkpoint's bytes are not what the format requires; the only exception a reader throws because of a file's content.</summary>
public sealed class CheckpointFormatException : Exception
{
    /// <summary>Describes what is wrong and where.</summary>
    /// <param name="reason">What was found and what was expected.</param>
    /// <param name="file">The file, if known.</param>
    /// <param name="offset">The byte offset in the file, if known.</param>
    /// <param name="tensor">The tensor, if known.</param>
    /// <param name="innerException">The cause, if any.</param>
    public CheckpointFormatException(string reason, string? file = null, long? offset = null, string? tensor = null, Exception? innerException = null)
        : base(Compose(reason, file, offset, tensor), innerException)
    {
        Reason = reason;
        File = file;
        Offset = offset;
        Tensor = tensor;
    }

    /// <summary>What was found and what was expected.</summary>
    public string Reason { get; }

    /// <summary>The file, if known.</summary>
    public string? File { get; }

    /// <summary>The byte offset in the file, if known.</summary>
    public long? Offset { get; }

    /// <summary>The tensor, if known.</summary>
    public string? Tensor { get; }

    private static string Compose(string reason, string? file, long? offset, string? tensor)
    {
        var where = new List<string>(3);
        if (file is not null)
            where.Add($"'{file}'");
        if (tensor is not null)
            where.Add($"tensor '{(tensor.Length > 200 ? tensor[..200] + "…" : tensor)}'");
        if (offset is not null)
            where.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"byte {offset}"));
        return where.Count == 0 ? reason : $"{string.Join(", ", where)}: {reason}";
    }
}
