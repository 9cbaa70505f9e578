using System.Numerics.Tensors;
using FineMixing.Checkpoints;

namespace FineMixing.Pipelines;

/// <summary>The plain average of the weights of models that started from the same point (model soups, Wortsman et al. 2022, arXiv 2203.05482).</summary>
internal static class WeightAverage
{
    public static StateDict Of(IReadOnlyList<StateDict> models)
    {
        var result = new StateDict(models[0].Location);
        foreach (var info in models[0].Tensors)
        {
            var sum = new float[info.ElementCount];
            foreach (var model in models)
                TensorPrimitives.Add(sum, model[info.Name].ToFloat32(), sum);
            TensorPrimitives.Divide(sum, models.Count, sum);
            result.Add(HostTensor.FromFloat32(info.Name, info.Shape, sum).ConvertTo(info.DType));
        }

        return result;
    }
}
