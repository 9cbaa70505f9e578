using FineMixing.Datasets;
using FineMixing.Models;

namespace FineMixing.Cli.CommandLine;

/// <summary>The labels a model allows in data files: numbers, or its own names of them.</summary>
internal static class Labels
{
    public static DataFileOptions Of(ModelConfig config)
    {
        var names = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        for (var label = 0; label < config.LabelCount; label++)
            names.TryAdd(config.Labels[label], label);
        return new DataFileOptions { NumLabels = config.LabelCount, LabelNames = names };
    }
}
