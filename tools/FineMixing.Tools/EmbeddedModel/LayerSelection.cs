using System.Globalization;
using FineMixing.Checkpoints;
using FineMixing.Models;

namespace FineMixing.Tools.EmbeddedModel;

/// <summary>Keeps some layers of a BERT encoder.</summary>
internal static class LayerSelection
{
    private const string Prefix = "bert.encoder.layer.";

    /// <summary>A model of the given layers, in that order, and everything outside the layers.</summary>
    public static ClassifierModel Keep(ClassifierModel model, IReadOnlyList<int> layers)
    {
        if (layers.Count == 0 || layers.Any(l => l < 0 || l >= model.Config.Layers))
            throw new ArgumentException($"--layers takes numbers from 0 to {model.Config.Layers - 1}.");
        var weights = new StateDict(model.Weights.Location);
        foreach (var info in model.Weights.Tensors.Where(t => !t.Name.StartsWith(Prefix, StringComparison.Ordinal)))
            weights.Add(model.Weights[info.Name]);
        for (var i = 0; i < layers.Count; i++)
        {
            var (from, to) = (Name(layers[i]), Name(i));
            foreach (var info in model.Weights.Tensors.Where(t => t.Name.StartsWith(from, StringComparison.Ordinal)))
                weights.Add(new HostTensor(info.WithName(to + info.Name[from.Length..]), model.Weights[info.Name].Bytes));
        }

        return model with { Config = model.Config with { Layers = layers.Count }, Weights = weights };
    }

    private static string Name(int layer) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{layer}.");
}
