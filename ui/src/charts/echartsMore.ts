// What only parallel coordinates and contours need of ECharts.
import { HeatmapChart, ParallelChart } from "echarts/charts";
import { ParallelComponent, VisualMapComponent } from "echarts/components";
import { use } from "echarts/core";

use([HeatmapChart, ParallelChart, ParallelComponent, VisualMapComponent]);
