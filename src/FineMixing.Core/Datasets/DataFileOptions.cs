namespace FineMixing.Datasets;

/// <summary>What the labels of a data file may be.</summary>
public sealed record DataFileOptions
{
    /// <summary>The number of classes of the model; labels run from 0 to one less. Null: any label from 0 is taken.</summary>
    public int? NumLabels { get; init; }

    /// <summary>Names that may stand in place of numbers, for example from the model's <c>id2label</c>; matched without regard to case.</summary>
    public IReadOnlyDictionary<string, int>? LabelNames { get; init; }
}
